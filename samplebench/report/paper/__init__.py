"""What of a sweep goes into a paper: tables in LaTeX and Markdown, figures of a column's width."""
