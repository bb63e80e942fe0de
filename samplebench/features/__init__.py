"""Extractors: uint8 images to float features, one module per extractor."""
