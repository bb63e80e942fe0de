"""Results on disk and in rows: cells, requests, columns, tables."""
