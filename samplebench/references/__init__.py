"""References: the statistics that samples are compared with."""
