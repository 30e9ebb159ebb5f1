"""Folders are deleted with all their content, on either kind of storage."""

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages

from auravideo.core.storage import delete_file, delete_folder


def fill(storage) -> None:
    for name in ("jobs/1/generate/0.bin", "jobs/1/upscale/0.bin", "jobs/1/preview.webp", "jobs/2/preview.webp"):
        storage.save(name, ContentFile(b"x"))


def test_a_folder_goes_with_everything_in_it_and_nothing_else_does():
    storage = storages["frames"]
    fill(storage)
    delete_folder(storage, "jobs/1")
    assert storage.listdir("jobs")[0] == ["2"]
    assert storage.exists("jobs/2/preview.webp")


def test_a_storage_without_folders_on_disk_is_emptied_too():
    storage = InMemoryStorage()
    fill(storage)
    delete_folder(storage, "jobs/1")
    assert not storage.exists("jobs/1/generate/0.bin")
    assert storage.exists("jobs/2/preview.webp")


def test_a_folder_that_is_not_there_is_no_error():
    delete_folder(storages["frames"], "jobs/3")


def test_a_file_goes_with_the_folder_that_it_leaves_empty():
    storage = storages["frames"]
    fill(storage)
    delete_file(storage, "jobs/1/generate/0.bin")
    assert storage.listdir("jobs/1")[0] == ["upscale"]
    delete_file(storage, "jobs/1/preview.webp")
    assert storage.exists("jobs/1/upscale/0.bin")
    delete_file(storage, "jobs/1/preview.webp")  # repeating it is no error
    delete_file(InMemoryStorage(), "jobs/1/preview.webp")


def test_a_file_at_the_top_leaves_the_storage_itself():
    storage = storages["frames"]
    storage.save("alone.bin", ContentFile(b"x"))
    delete_file(storage, "alone.bin")
    assert storage.listdir("") == ([], [])
