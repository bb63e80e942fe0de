"""What is drawn from seeds: streams of noise, latents, labels."""
