# The runtime without TensorFlow, from the wheel in dist/; `make image` builds both.
# docker run --rm --user "$(id -u)" -v "$PWD:/work" cvae-runtime cvae-generate -n 16 -o samples.png
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG CVAE=/opt/cvae
WORKDIR /build
COPY constraints.txt dist/*.whl ./
RUN python -m venv --without-pip "$CVAE" && \
    python -m pip --python "$CVAE/bin/python" install --no-cache-dir --no-compile --constraint constraints.txt "$(echo *.whl)[cpu]"
# The runtime does not read these 47 MB: tests, types, ONNX Runtime's tools and second library, Pillow's AVIF.
RUN cd "$CVAE"/lib/python3.*/site-packages && \
    find . -type d -name tests -prune -exec rm -r {} + && \
    find . -name '*.pyi' -delete && \
    rm -r numpy/f2py PIL/_avif.* pillow.libs/libavif-* && \
    rm -r onnxruntime/quantization onnxruntime/tools onnxruntime/transformers onnxruntime/capi/libonnxruntime.so.*

FROM python:${PYTHON}-slim
ARG CVAE=/opt/cvae
RUN python -B -m pip uninstall --yes --quiet --root-user-action ignore pip && \
    useradd --create-home --uid 1000 cvae && \
    install --directory --owner cvae /work
COPY --from=build $CVAE $CVAE
ENV PATH=$CVAE/bin:$PATH
# Tests the model, and compiles the modules that every start needs.
RUN cvae-verify
USER 1000
WORKDIR /work
CMD ["cvae-doctor"]
