#!/usr/bin/env bash
# Installs a PostgreSQL server from the distribution's packages, if there is none: tests start one of their own
# from it, in a temporary directory.
set -euo pipefail

if ! compgen -G "/usr/lib/postgresql/*/bin/pg_ctl" >/dev/null; then
    apt-get update --quiet
    # No cluster of its own: it would only run beside the tests' one.
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends postgresql
fi
