"""Programs that embed the model, one per runtime, for the question `runtimes`.

Each starts with the folder written by `_prepare`, decodes its first image, and prints a JSON line to stdout. Then it
answers each JSON line on stdin with one line:

    {"image": …, "threads": …, "about": …}                   it is ready; or {"unavailable": "why it cannot run here"}
    {"do": "run", "bundle", "file", "input"}                 -> {"outputs": {name: …}} or {"reason": "why not"}
    {"do": "latents", "seed", "first", "count", "latent_dim"} -> {"z": …}, null without the bundle's random numbers
    {"do": "decode", "batch"}                                -> {"images": …}
    {"do": "measure", "batch", "seconds"}                    -> {"times": [seconds of every call]}
    {"do": "size"}                                           -> {"bytes": size of what an app ships besides the model}
    {"do": "cold"}                                           -> {"seconds", "image"}; browsers only

Arrays are little-endian bytes in base64. The first image has seed 0; batches have seed 1.
"""
