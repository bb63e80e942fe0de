"""Networks as plain `torch.nn.Module`s that know nothing of files or processes."""
