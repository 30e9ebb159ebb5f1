"""AnimateDiff: a base model of Stable Diffusion with a motion adapter."""
