"""What video files are made of, without decoding any: formats, containers, the metadata in them."""
