"""Programs that embed the model, one a runtime, for the question `runtimes`.

Each starts with the folder that `_prepare` wrote, decodes its first image, and prints a line of JSON to stdout. Then it
answers each line of JSON on stdin with one line:

    {"image": …, "threads": …, "about": …}                   it is ready; or {"unavailable": "why it cannot run here"}
    {"do": "run", "bundle", "file", "input"}                 -> {"outputs": {name: …}} or {"reason": "why not"}
    {"do": "latents", "seed", "first", "count", "latent_dim"} -> {"z": …}, null without the bundle's random numbers
    {"do": "decode", "batch"}                                -> {"images": …}
    {"do": "measure", "batch", "seconds"}                    -> {"times": [seconds of every call]}
    {"do": "size"}                                           -> {"bytes": what an app ships beside itself and the model}
    {"do": "cold"}                                           -> {"seconds", "image"}; of browsers alone

Arrays are little-endian bytes in base64. The first image is that of seed 0; batches are of seed 1.
"""
