"""What came out, and what people make of it."""

from gallery.models.video import LISTED, Safety, Video, VideoQuerySet, Visibility, prompt_key

__all__ = ["LISTED", "Safety", "Video", "VideoQuerySet", "Visibility", "prompt_key"]
