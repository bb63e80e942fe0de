"""What others add to samplebench, one file each."""
