"""Encoded segments in the frame store, while their clip is rendering.

Safetensors: the packets' bytes, one after the other, and for each packet its size, times and whether it is a key frame;
the small frames; the middle frame, if it is there. The header holds what was encoded, and a SHA-256 of everything.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from generation.domain.plan import Plan
from workers import frame_store, media
from workers.encoding.parts import Part, Span

logger = logging.getLogger(__name__)

_VERSION = 2  # 1 had small frames of which a long clip's preview used every other or fewer


def write(job_id: UUID, run: int, plan: Plan, format: str, span: Span, part: Part) -> None:
    """Store a part. Raises StorageUnavailable."""
    packets = part.segment.packets
    tensors: dict[str, np.ndarray] = {
        "packets": np.frombuffer(b"".join(packet.data for packet in packets), np.uint8),
        "times": np.array([[len(p.data), p.pts, p.dts, p.is_key] for p in packets], np.int64),
    }
    if part.small:
        tensors["small"] = np.stack(part.small)
    if part.middle is not None:
        tensors["middle"] = np.ascontiguousarray(part.middle)
    facts = json.dumps(_facts(run, plan, format, span, part.segment.header))
    metadata = {"facts": facts, "sha256": _sum(facts, tensors)}
    frame_store.write_segment(job_id, span.index, save(tensors, metadata))


def read(job_id: UUID, run: int, plan: Plan, format: str, span: Span) -> Part | None:
    """Return a part as this process would encode it; None if there is none, or it was made otherwise or is damaged.

    Raises StorageUnavailable.
    """
    data = frame_store.read_segment(job_id, span.index)
    if data is None:
        return None
    header = media.header_of(format, plan.width, plan.height, plan.fps)
    try:
        metadata = frame_store.metadata_of(data)
        tensors = load(data)
        facts = metadata["facts"]
        if metadata["sha256"] != _sum(facts, tensors):
            raise ValueError("its checksum is wrong")
        if json.loads(facts) != _facts(run, plan, format, span, header):
            raise ValueError("it is of another run or version")
        return _part(plan, header, tensors)
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        logger.info("Segment %s of job %s is encoded again: %s", span.index, job_id, error)
        return None


def _part(plan: Plan, header: bytes, tensors: Mapping[str, np.ndarray]) -> Part:
    packets, place = [], 0
    whole = tensors["packets"].tobytes()
    for size, pts, dts, is_key in tensors["times"].tolist():
        packets.append(media.Packet(whole[place : place + size], pts, dts, bool(is_key)))
        place += size
    segment = media.Segment(plan.width, plan.height, len(packets), header, tuple(packets))
    return Part(segment, list(tensors.get("small", ())), tensors.get("middle"))


def _facts(run: int, plan: Plan, format: str, span: Span, header: bytes) -> dict[str, Any]:
    """Return what must be the same: in another run, the frames may have been made by another card."""
    return {
        "version": _VERSION,
        "run": run,
        "format": format,
        "size": [plan.width, plan.height],
        "fps": plan.fps,
        "start": span.start,
        "frames": span.frames,
        "header": header.hex(),
    }


def _sum(facts: str, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()
