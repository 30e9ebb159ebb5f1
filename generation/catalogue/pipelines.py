"""Which pipeline classes of diffusers a catalogue entry may name: those that our engines and tests know."""

ANIMATEDIFF = "AnimateDiffPipeline"

# Each takes a prompt and returns a clip; workers/engines/families calls them all alike. What differs from family to
# family stands in the entries. tests/workers/engines/families/test_families.py compares each with a plain call.
OTHERS = (
    "CogVideoXPipeline",
    "HunyuanVideo15Pipeline",
    "LTXConditionPipeline",
    "LTXPipeline",
    "WanPipeline",
)

PIPELINES = (ANIMATEDIFF, *OTHERS)

# Those whose models also come as a single file, of which we can read the networks.
IN_ONE_FILE = (ANIMATEDIFF, "LTXConditionPipeline", "LTXPipeline")

# Those whose transformer may be a GGUF file: diffusers knows the names in it.
IN_GGUF = ("LTXConditionPipeline", "LTXPipeline", "WanPipeline")

# Arguments of a pipeline's call that come from the request, the plan or the engine, and never from an entry.
TAKEN = (
    "prompt", "negative_prompt", "width", "height", "num_frames", "num_inference_steps", "guidance_scale", "generator",
    "latents", "output_type", "return_dict", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
    "num_videos_per_prompt", "prompt_embeds", "negative_prompt_embeds", "prompt_attention_mask",
    "negative_prompt_attention_mask",
)  # fmt: skip

# What a component can be told to compute in, where the card's usual precision would spoil it.
PRECISIONS = ("float32", "bfloat16", "float16")
