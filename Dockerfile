# A static binary in an empty image: docker build -t streamdb .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/streamdb ./cmd/streamdb \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /out/streamdb /streamdb
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV STREAMDB_DATA_DIR=/data STREAMDB_LOG_FORMAT=json
VOLUME /data
EXPOSE 6565 6566
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/streamdb", "health"]
ENTRYPOINT ["/streamdb"]
CMD ["serve"]
