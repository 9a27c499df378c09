# The server alone, on a small base, as a user without rights.
#
#   docker build -t faceshare .
#   docker run -p 8080:8080 -v faceshare:/data faceshare
#
# There is no HEALTHCHECK: the image has nothing to make a request with, and whoever runs the container should ask from outside:
# GET /healthz (alive) and /readyz (able to serve).

FROM rust:1.95-slim-bookworm AS build
# A C compiler for SQLite and the cryptography.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The image's own toolchain is the pinned one: .dockerignore leaves rust-toolchain.toml out, which names clippy and rustfmt as well.
# What --version names as the commit: docker build --build-arg FACESHARE_COMMIT=$(git rev-parse HEAD) …
ARG FACESHARE_COMMIT=""
RUN cargo build --locked --release -p faceshareapp

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin faceshare \
    && install -d -m 0700 -o faceshare -g faceshare /data
COPY --from=build /src/target/release/faceshareapp /usr/local/bin/faceshareapp
USER faceshare
WORKDIR /data
# The container is the boundary: within it the server listens everywhere.
ENV FACESHARE__HTTP__LISTEN=0.0.0.0:8080 \
    FACESHARE__DATA_DIR=/data \
    FACESHARE__LOG__FORMAT=json
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["faceshareapp"]
CMD ["serve"]
