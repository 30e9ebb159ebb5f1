"""Annotated row types, for the type checker only: django_stubs_ext is not installed in production."""

from typing import TypedDict

from django_stubs_ext import WithAnnotations

from gallery.models import Report, Video


class _Like(TypedDict):
    is_liked: bool  # by the viewer


class _Place(TypedDict):
    number: int  # row number in the search index


class _OpenReports(TypedDict):
    open_reports: int  # on the same video


class _AllReports(TypedDict):
    of_all: int  # open reports on the same video or user


SeenVideo = WithAnnotations[Video, _Like]
FoundVideo = WithAnnotations[Video, _Place]
CountedReport = WithAnnotations[Report, _OpenReports]
NewestReport = WithAnnotations[Report, _AllReports]
