"""From images and statistics to scores: references of every kind, metrics against them."""
