"""Writers of the released containers: what training writes, and what tests make files with."""
