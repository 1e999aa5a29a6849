#!/bin/sh
# Runs Ray's GCS where its state is in Redis, for as long as its node runs: where it dies, it is started again, with the
# same command and environment. It listens at the same address and reads the same state; raylets, actors and Serve wait
# for it and go on. Starting the head's Ray anew instead would end everything that runs on the head.
#
# The password goes into its environment: Ray itself would write it into the command line, which every user of the
# machine can read. ARAGORA_GCS_BINARY is Ray's program; FLAGS_... is how that takes an argument.
FLAGS_redis_password="${RAY_REDIS_PASSWORD:-}"
export FLAGS_redis_password

gcs=
ending=
end() {
  ending=1
  kill -TERM "$gcs" 2>/dev/null
}
trap end TERM INT
while [ -z "$ending" ]; do
  "$ARAGORA_GCS_BINARY" "$@" --tryfromenv=redis_password &
  gcs=$!
  wait "$gcs"
  status=$?
  if [ -n "$ending" ]; then
    wait "$gcs" # the signal has ended the wait before, not yet the GCS
    exit
  fi
  case $status in
    0 | 143) exit "$status" ;; # it was told to end
  esac
  echo "aragora: the GCS ended with $status and is started again" >&2
  sleep 1
done
