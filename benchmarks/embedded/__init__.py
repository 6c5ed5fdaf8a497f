"""Programs that embed the model, one a runtime, for the question `runtimes`.

Each is started with a folder in which `_prepare` has laid out what it needs, decodes its first image at once
and says so in a line of JSON on stdout; then it answers lines of JSON on stdin, one each:

    {"image": …, "threads": …, "about": …}                   it is ready; or {"unavailable": "why it cannot run here"}
    {"do": "run", "bundle", "file", "input"}                 -> {"outputs": {name: …}} or {"reason": "why not"}
    {"do": "latents", "seed", "first", "count", "latent_dim"} -> {"z": …}, null without the bundle's random numbers
    {"do": "decode", "batch"}                                -> {"images": …}
    {"do": "measure", "batch", "seconds"}                    -> {"times": [seconds of every call]}
    {"do": "size"}                                           -> {"bytes": what an app ships beside itself and the model}
    {"do": "cold"}                                           -> {"seconds", "image"}; of browsers alone

Arrays are little-endian bytes in base64. The first image is that of seed 0; batches are of seed 1.
"""
