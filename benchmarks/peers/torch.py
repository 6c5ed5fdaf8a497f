"""PyTorch: the network in ``torch.nn.functional``, channels last, in inference mode, with one thread per core.

Keras's "same" crops the last row and column of a full transposed convolution of stride 2. PyTorch's ``padding=1,
output_padding=1`` crops the first. So the decoder computes a mirrored image with mirrored kernels and mirrors the
result; cropping would take up to three times as long. The last transposed convolution has stride 1, so it is a
convolution with the mirrored kernel.
"""

import numpy as np
import torch
from torch.nn import functional

from benchmarks._worker import Factory, Work
from benchmarks.peers import inputs
from benchmarks.peers._network import Layer, read_network

_LAST = torch.channels_last


def _kernel(layer: Layer, order: tuple[int, ...], *, mirrored: bool) -> torch.Tensor:
    kernel = np.flip(layer.kernel, (0, 1)) if mirrored else layer.kernel
    return torch.from_numpy(kernel.transpose(order).copy()).contiguous(memory_format=_LAST)


def _bias(layer: Layer) -> torch.Tensor:
    return torch.from_numpy(layer.bias)


class _Decoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        network = read_network()
        self.base = height, width, channels = network.base
        mirrored = [
            np.flip(array.reshape(-1, height, width, channels), (1, 2)).reshape(-1, network.dense.bias.size).copy()
            for array in (network.dense.kernel, network.dense.bias)
        ]
        self.kernel, self.bias = torch.from_numpy(mirrored[0]), torch.from_numpy(mirrored[1][0])
        self.up = [(_kernel(layer, (3, 2, 0, 1), mirrored=True), _bias(layer)) for layer in network.up]
        # A transposed convolution of stride 1 mirrors the kernel, and this decoder does too; the two cancel out.
        self.last = _kernel(network.last, (2, 3, 0, 1), mirrored=False), _bias(network.last)

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = functional.relu(torch.addmm(self.bias, z, self.kernel)).view(-1, *self.base).permute(0, 3, 1, 2)
        for kernel, bias in self.up:
            x = functional.relu(functional.conv_transpose2d(x, kernel, bias, 2, 1, 1))
        kernel, bias = self.last
        x = torch.sigmoid(functional.conv2d(x, kernel, bias, padding=1))
        return (x.permute(0, 2, 3, 1).flip(1, 2),)


class _Encoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        network = read_network()
        self.binarize_at = network.binarize_at
        self.down = [(_kernel(layer, (3, 2, 0, 1), mirrored=False), _bias(layer)) for layer in network.down]
        self.kernel, self.bias = torch.from_numpy(network.code.kernel), _bias(network.code)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = (images >= self.binarize_at).float().permute(0, 3, 1, 2)
        for kernel, bias in self.down:
            x = functional.relu(functional.conv2d(x, kernel, bias, 2))
        flat = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        return torch.addmm(self.bias, flat, self.kernel).chunk(2, dim=1)


class _Reconstructor(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(), _Decoder()

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.decoder(self.encoder(images)[0])


_MODULES = {"decoding": _Decoder, "encoding": _Encoder, "reconstruction": _Reconstructor}


def _peer(folder: str, *, compiled: bool) -> Factory:
    modules = {task: module().eval() for task, module in _MODULES.items()}
    calls = {task: torch.compile(module, dynamic=False) if compiled else module for task, module in modules.items()}

    def at(task: str, batch: int) -> Work:
        call, x = calls[task], torch.from_numpy(inputs(task, folder, batch))

        @torch.inference_mode()
        def work() -> list[np.ndarray]:
            return [output.numpy() for output in call(x)]

        return work

    return at


def eager(folder: str) -> Factory:
    """Operator by operator."""
    return _peer(folder, compiled=False)


def compiled(folder: str) -> Factory:
    """Through ``torch.compile``, once for each batch size."""
    return _peer(folder, compiled=True)
