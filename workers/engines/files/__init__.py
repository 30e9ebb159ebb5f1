"""The files that Stable Diffusion's users bring, in the layouts of the original code."""
