# syntax=docker/dockerfile:1
# The program alone: no compiler, no sources, not root. docs/how-to/install.md says how it is built and run.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv --without-pip /opt/reconciler
COPY . .
# The commit, as `.git` is no part of what is sent to the builder; versions are those that the tests ran with.
ARG SOURCE_COMMIT=""
RUN python -m pip --python /opt/reconciler/bin/python install --constraint requirements/constraints.txt '.[excel,fleet,metrics,notify,objects,postgres]'

FROM python:${PYTHON}-slim
RUN groupadd --gid 1000 reconciler \
 && useradd --uid 1000 --gid reconciler --no-create-home --home-dir /state --shell /usr/sbin/nologin reconciler \
 && install --directory --owner=1000 --group=1000 --mode=0700 /state
COPY --from=build /opt/reconciler /opt/reconciler
# The ledgers, one file for each environment, and the lock. The project is mounted at /work, and may be read-only.
ENV PATH=/opt/reconciler/bin:$PATH RECONCILER_STATE=/state/ XDG_STATE_HOME=/state PYTHONDONTWRITEBYTECODE=1
VOLUME /state
WORKDIR /work
USER 1000:1000
ENTRYPOINT ["reconciler"]
CMD ["--help"]
