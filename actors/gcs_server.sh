#!/bin/sh
# Runs Ray's GCS with the password of its Redis in the environment: Ray itself would write it into the command line, which
# every user of the machine can read. ARAGORA_GCS_BINARY is Ray's program; FLAGS_... is how that takes an argument.
FLAGS_redis_password="$RAY_REDIS_PASSWORD"
export FLAGS_redis_password
exec "$ARAGORA_GCS_BINARY" "$@" --tryfromenv=redis_password
