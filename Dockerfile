# The studio for any machine with a container engine. Started as it is, it is at http://127.0.0.1:7860.
# What pip would fetch torch from can be chosen: --build-arg PIP_EXTRA_INDEX_URL=..., for PyTorch's own wheels for
# processors alone, makes the image several GB smaller.
FROM python:3.12-slim

RUN useradd --no-create-home --uid 1000 flipbook && mkdir /data && chown flipbook /data
WORKDIR /srv/flipbook

ARG PIP_EXTRA_INDEX_URL=""
COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt

COPY app.py LICENSE ./
COPY assets assets
COPY studio studio

USER flipbook
ENV HOST=0.0.0.0 PORT=7860 DATA_DIR=/data HF_HOME=/data/huggingface PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=9)"]
CMD ["python", "app.py"]
