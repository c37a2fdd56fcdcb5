# syntax=docker/dockerfile:1
# bcbridge in a container: built in one stage, run in another, not as root, on a read-only root.
#
#   docker build -t bcbridge .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8080:8080 -v bcbridge:/data \
#       -v ./config.toml:/data/config.toml:ro -v ./mappings:/data/mappings bcbridge
#
# In config.toml set [web] host = "0.0.0.0"; paths are relative to it, so the store is /data/var/bcbridge.db.
# Stop it with SIGTERM (docker stop --time 60): what is under way is finished first.

FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/bcbridge
COPY requirements.lock pyproject.toml README.md ./
# One lock pins everything, tests and tools too. Here it is a constraint with hashes: the wheels of all of it are
# fetched and checked against the lock, then only what bcbridge itself asks for is installed, from those wheels alone.
RUN pip wheel --no-cache-dir --require-hashes --no-deps --wheel-dir /wheels -r requirements.lock
COPY bcbridge bcbridge
RUN pip wheel --no-cache-dir --no-deps --no-index --find-links /wheels --wheel-dir /wheels . \
    && /opt/bcbridge/bin/pip install --no-cache-dir --no-index --find-links /wheels bcbridge

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin bcbridge \
    && install -d -o bcbridge -g bcbridge -m 0700 /data
COPY --from=build /opt/bcbridge /opt/bcbridge
ENV PATH=/opt/bcbridge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER bcbridge
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", \
    "import sys, urllib.request; sys.exit(urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4).status != 200)"]
ENTRYPOINT ["bcbridge"]
CMD ["run", "--no-live", "--config", "/data/config.toml"]
