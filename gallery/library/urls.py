from django.urls import path

from gallery.library import collection_views, selection_views, trash_views, video_views, views, walk_views

urlpatterns = [
    path("videos/", views.library, name="library"),
    path("videos/selected/", selection_views.selected, name="selected"),
    path("videos/undo/", trash_views.undo, name="undo"),
    path("videos/trash/", trash_views.trash, name="trash"),
    path("videos/trash/<uuid:video_id>/picture/", trash_views.picture, name="trash-picture"),
    path("videos/trash/empty/", trash_views.empty, name="empty-trash"),
    path("videos/collections/", collection_views.collections, name="collections"),
    path("videos/collections/add/", selection_views.collect, name="collect"),
    path("videos/collections/<uuid:collection_id>/", collection_views.collection, name="collection"),
    path("videos/collections/<uuid:collection_id>/rename/", collection_views.rename, name="collection-rename"),
    path("videos/collections/<uuid:collection_id>/delete/", collection_views.delete, name="collection-delete"),
    path("videos/<uuid:video_id>/", video_views.video, name="video"),
    path("videos/<uuid:video_id>/next/", walk_views.following, name="next"),
    path("videos/<uuid:video_id>/previous/", walk_views.preceding, name="previous"),
    path("videos/<uuid:video_id>/rename/", video_views.rename, name="rename"),
    path("videos/<uuid:video_id>/favourite/", video_views.favourite, name="favourite"),
    path("videos/<uuid:video_id>/delete/", video_views.delete, name="delete"),
    path("videos/<uuid:video_id>/restore/", trash_views.restore, name="restore"),
    path("videos/<uuid:video_id>/purge/", trash_views.purge, name="purge"),
    path("videos/<uuid:video_id>/settings.json", video_views.settings_file, name="settings"),
]
