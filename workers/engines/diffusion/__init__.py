"""The steps of a diffusion engine: denoising a clip, decoding it, and where the parts of the pipeline are meanwhile."""
