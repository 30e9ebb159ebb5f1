"""Form data for the tests of the create page, and a helper to post it."""

from django.urls import reverse

SIMPLE = {"prompt": "a red heart rising over the sea", "aspect": "16:9", "seconds": "3", "quality": "draft"}
ADVANCED = {
    "prompt": "a red heart rising over the sea",
    "negative_prompt": "rain",
    "aspect": "3:2",
    "short_side": "200",
    "seconds": "3",
    "fps": "16",
    "format": "webm",
    "model": "tiny",
    "motion_adapter": "tiny-motion",
    "steps": "11",
    "guidance": "2.5",
    "seed": "5",
    "variations": "1",
}


def create(client, mode, data):
    return client.post(f"{reverse('generation:create')}?mode={mode}", data)


def edit(client, query, data):
    return client.post(f"{reverse('generation:create-edit')}?{query}", data)


def values(response):
    return response.context["form"].values()
