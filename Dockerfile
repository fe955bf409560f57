# One image; what runs is the command: `etl-engine serve` (web and API, the default) or `etl-engine worker`.
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN pip install --no-cache-dir --no-deps -e . \
    && reflex export --frontend-only --no-zip

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 etl && mkdir /data && chown etl /data
COPY --from=build /venv /venv
COPY --from=build --chown=etl /app /app
WORKDIR /app
USER etl
# The image is reached from outside the container: bind every address inside it, publish what you want outside.
ENV PATH=/venv/bin:$PATH HOST=0.0.0.0 DATA_DIR=/data LOG_FORMAT=json
VOLUME /data
EXPOSE 8000 8001
# The port of the web server; a worker sets HEALTH_PORT to its own.
ENV HEALTH_PORT=8000
HEALTHCHECK --interval=15s --timeout=6s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"HEALTH_PORT\"]}/health', timeout=5)"]
CMD ["etl-engine", "serve", "--port", "8000"]
