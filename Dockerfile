# The server alone, on a small base, as a user without rights: docs/deployment.md says how to run it.
#
#   docker build -t faceshare .
#   docker run -p 127.0.0.1:8080:8080 -p 127.0.0.1:9100:9100 -v faceshare:/data faceshare
#
# There is no HEALTHCHECK, because the image has no program to make a request with. Ask from outside: GET /healthz (alive) and
# GET /readyz (able to serve), on either port.

FROM rust:1.95-slim-bookworm AS build
# A C compiler for SQLite and the cryptography; strip comes with it.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The image's own toolchain is the pinned one: .dockerignore leaves rust-toolchain.toml out, which names clippy and rustfmt as well.
# What --version names as the commit: docker build --build-arg FACESHARE_COMMIT=$(git rev-parse HEAD) …
ARG FACESHARE_COMMIT=""
# Without its symbols the program is 19 MB instead of 95.
RUN cargo build --locked --release -p faceshareapp && strip target/release/faceshareapp

FROM debian:bookworm-slim
# By number, so that an orchestrator can see that it is not root.
RUN groupadd --system --gid 10001 faceshare \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin faceshare \
    && install -d -m 0700 -o 10001 -g 10001 /data
COPY --from=build /src/target/release/faceshareapp /usr/local/bin/faceshareapp
USER 10001:10001
WORKDIR /data
# The container is the boundary: within it the server listens on all addresses. /metrics has a listener of its own, since on the main one
# it answers loopback alone, which is the container itself.
ENV FACESHARE__HTTP__LISTEN=0.0.0.0:8080 \
    FACESHARE__HTTP__OPS_LISTEN=0.0.0.0:9100 \
    FACESHARE__DATA_DIR=/data \
    FACESHARE__LOG__FORMAT=json
VOLUME /data
EXPOSE 8080 9100
STOPSIGNAL SIGTERM
ENTRYPOINT ["faceshareapp"]
CMD ["serve"]
