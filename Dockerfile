# syntax=docker/dockerfile:1
# bcbridge in a container: built in one stage, run in another, not as root, on a read-only root. See docs/install.md.
#
#   docker build -t bcbridge .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --memory 1g --pids-limit 64 \
#       --ulimit core=0 --ulimit nofile=8192 \
#       -p 127.0.0.1:8080:8080 -v bcbridge:/var/lib/bcbridge -v ./config.toml:/etc/bcbridge/config.toml:ro \
#       -v ./secrets:/run/secrets:ro bcbridge
#
# Only the volume /var/lib/bcbridge is written: the store, the mappings, the socket of the command line.
# Stop it with SIGTERM (docker stop --time 60): what is under way is finished first, then it ends with 0.

# A tag, and no digest: digests are looked up by whoever builds. Pin yours:
#   docker build --build-arg PYTHON=python:3.12-slim-bookworm@sha256:... .
ARG PYTHON=python:3.12-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY requirements.lock requirements-run.lock pyproject.toml README.md ./
# Every file is pinned and checked against the lock, also the one that builds our own package; nothing is compiled.
RUN python -m venv --without-pip /opt/bcbridge \
    && pip --python /opt/bcbridge/bin/python install --no-cache-dir --no-compile \
        --require-hashes --only-binary :all: --no-deps -r requirements-run.lock \
    && sed -n '/^setuptools==/,/# via/p' requirements.lock > build.lock \
    && pip install --no-cache-dir --require-hashes --only-binary :all: --no-deps -r build.lock
COPY bcbridge bcbridge
RUN pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/bcbridge/bin/python install --no-cache-dir --no-index --no-deps /wheels/*.whl \
    && /opt/bcbridge/bin/python -m compileall -q /opt/bcbridge/lib

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin bcbridge \
    && install -d -o bcbridge -g bcbridge -m 0700 /var/lib/bcbridge /var/lib/bcbridge/mappings
COPY --from=build /opt/bcbridge /opt/bcbridge
# Secrets are files in one folder, each named like its reference: "credential:bluecherry_key" (as under systemd).
ENV PATH=/opt/bcbridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BCBRIDGE_CONFIG=/etc/bcbridge/config.toml \
    BCBRIDGE_HEALTH=http://127.0.0.1:8080/health \
    CREDENTIALS_DIRECTORY=/run/secrets
USER 10001:10001
WORKDIR /var/lib/bcbridge
VOLUME /var/lib/bcbridge
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import os, sys, urllib.request as r; sys.exit(r.urlopen(os.getenv('BCBRIDGE_HEALTH'), timeout=4).status != 200)"]
ENTRYPOINT ["bcbridge"]
CMD ["run", "--no-live"]
