"""Rows with what a query adds to them, for the type checker alone: django_stubs_ext is not installed with the site."""

from typing import TypedDict

from django_stubs_ext import WithAnnotations

from gallery.models import Report, Video


class _Like(TypedDict):
    is_liked: bool  # by the viewer


class _Place(TypedDict):
    number: int  # among what a search found


class _OpenReports(TypedDict):
    open_reports: int  # of the same video


class _AllReports(TypedDict):
    of_all: int  # open reports of the same video or person


SeenVideo = WithAnnotations[Video, _Like]
FoundVideo = WithAnnotations[Video, _Place]
CountedReport = WithAnnotations[Report, _OpenReports]
NewestReport = WithAnnotations[Report, _AllReports]
