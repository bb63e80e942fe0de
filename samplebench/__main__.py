"""`python -m samplebench`."""

from samplebench.cli import main

raise SystemExit(main())
