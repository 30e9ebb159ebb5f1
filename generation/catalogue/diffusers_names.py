"""What diffusers calls the schedulers, options, networks and arguments that entries may name.

Written down, because a web process never imports diffusers: so a wrong name is seen when the catalogue is read, and not
when a clip is rendered. tests/workers/engines/families/test_names.py compares this with the version that is installed.
"""

from collections.abc import Mapping

# Schedulers that entries may name: those used with AnimateDiff and its few-step modules,
ANIMATEDIFF_SCHEDULERS = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
# and those that the other pipelines were published with.
OTHER_SCHEDULERS = (
    "CogVideoXDDIMScheduler",
    "CogVideoXDPMScheduler",
    "DPMSolverMultistepScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "UniPCMultistepScheduler",
)

# fmt: off
# The options of each of them.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "CogVideoXDDIMScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "clip_sample",
        "set_alpha_to_one", "steps_offset", "prediction_type", "clip_sample_range", "sample_max_value",
        "timestep_spacing", "rescale_betas_zero_snr", "snr_shift_scale",
    ),
    "CogVideoXDPMScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "clip_sample",
        "set_alpha_to_one", "steps_offset", "prediction_type", "clip_sample_range", "sample_max_value",
        "timestep_spacing", "rescale_betas_zero_snr", "snr_shift_scale",
    ),
    "DDIMScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "clip_sample",
        "set_alpha_to_one", "steps_offset", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
        "clip_sample_range", "sample_max_value", "timestep_spacing", "rescale_betas_zero_snr",
    ),
    "DPMSolverMultistepScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "solver_order",
        "prediction_type", "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "algorithm_type",
        "solver_type", "lower_order_final", "euler_at_final", "use_karras_sigmas", "use_exponential_sigmas",
        "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas", "flow_shift", "final_sigmas_type",
        "lambda_min_clipped", "variance_type", "timestep_spacing", "steps_offset", "rescale_betas_zero_snr",
        "use_dynamic_shifting", "time_shift_type",
    ),
    "EulerAncestralDiscreteScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
        "timestep_spacing", "steps_offset", "rescale_betas_zero_snr",
    ),
    "EulerDiscreteScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
        "interpolation_type", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "sigma_min",
        "sigma_max", "timestep_spacing", "timestep_type", "steps_offset", "rescale_betas_zero_snr",
        "final_sigmas_type",
    ),
    "FlowMatchEulerDiscreteScheduler": (
        "num_train_timesteps", "shift", "use_dynamic_shifting", "base_shift", "max_shift", "base_image_seq_len",
        "max_image_seq_len", "invert_sigmas", "shift_terminal", "use_karras_sigmas", "use_exponential_sigmas",
        "use_beta_sigmas", "time_shift_type", "stochastic_sampling",
    ),
    "LCMScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
        "original_inference_steps", "clip_sample", "clip_sample_range", "set_alpha_to_one", "steps_offset",
        "prediction_type", "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "timestep_spacing",
        "timestep_scaling", "rescale_betas_zero_snr",
    ),
    "PNDMScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "skip_prk_steps",
        "set_alpha_to_one", "prediction_type", "timestep_spacing", "steps_offset",
    ),
    "UniPCMultistepScheduler": (
        "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "solver_order",
        "prediction_type", "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "predict_x0",
        "solver_type", "lower_order_final", "disable_corrector", "solver_p", "use_karras_sigmas",
        "use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas", "flow_shift", "timestep_spacing",
        "steps_offset", "final_sigmas_type", "rescale_betas_zero_snr", "use_dynamic_shifting",
        "time_shift_type", "sigma_min", "sigma_max", "shift_terminal",
    ),
}

# The networks of each pipeline: its components with weights, which compute in a precision.
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "CogVideoXPipeline": ("text_encoder", "vae", "transformer"),
    "HunyuanVideo15Pipeline": ("text_encoder", "transformer", "vae", "text_encoder_2"),
    "LTXConditionPipeline": ("vae", "text_encoder", "transformer"),
    "LTXPipeline": ("vae", "text_encoder", "transformer"),
    "WanPipeline": ("text_encoder", "vae", "transformer", "transformer_2"),
}

# Arguments of each pipeline's call that are numbers, texts or flags, or lists of them, and none of `pipelines.TAKEN`.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "CogVideoXPipeline": ("timesteps", "use_dynamic_cfg", "eta", "max_sequence_length"),
    "HunyuanVideo15Pipeline": ("sigmas",),
    "LTXConditionPipeline": (
        "frame_index", "strength", "denoise_strength", "frame_rate", "timesteps", "guidance_rescale",
        "image_cond_noise_scale", "decode_timestep", "decode_noise_scale", "max_sequence_length",
    ),
    "LTXPipeline": (
        "frame_rate", "timesteps", "guidance_rescale", "decode_timestep", "decode_noise_scale",
        "max_sequence_length",
    ),
    "WanPipeline": ("guidance_scale_2", "max_sequence_length"),
}
# fmt: on
