# Wireroom with a coding agent: the image above, Node.js and Claude Code. Put yours in its place.
#
#   docker build --file deploy/agents.Dockerfile --tag wireroom-agents .
ARG WIREROOM_IMAGE=wireroom:latest

FROM ${WIREROOM_IMAGE}
ARG CLAUDE_CODE=2.1.330
USER 0:0
# As in the first image: Debian keeps only the newest version of a package.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && npm install --global --no-audit --no-fund "@anthropic-ai/claude-code@${CLAUDE_CODE}" \
    && npm cache clean --force
USER 10001:10001
