"""Models: whatever answers D(x; sigma) or eps(u, t), and what samplers see of it."""
