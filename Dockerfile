# The program alone: no compiler, no sources, not root. docs/how-to/install.md says how it is built and run.
# `.ci/release --pin-images` writes the digest of its base into it; a release that has none is refused.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv --without-pip /opt/reconciler
COPY . .
RUN python -m pip install --require-hashes --requirement requirements/locked-build.txt \
 && python -m pip --python /opt/reconciler/bin/python install --require-hashes --requirement requirements/locked.txt
# The commit, as `.git` is no part of what is sent to the builder.
ARG SOURCE_COMMIT=""
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /source/wheel . \
 && python -m pip --python /opt/reconciler/bin/python install --no-deps /source/wheel/*.whl

FROM python:3.11-slim
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
