#!/bin/bash
# metrics.sh - do promtool and node_exporter take the metrics of several gateways?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
requires promtool prometheus-node-exporter curl
start_fake a vm1 twin
start_fake b vm2 twin
start_weirfs

promtool check metrics <"$mnt/metrics" >"$work/promtool.log" 2>&1 || fail "promtool refuses"
assert_eq "$(grep -c "^# TYPE weir_disk_bytes" "$mnt/metrics")" 1 "TYPE lines"
assert_eq "$(grep -c 'weir_disk_bytes{.*export="twin"}' "$mnt/metrics")" 2 "samples of a name that two have"
grep -qx 'weir_gateway_up{gateway="a"} 1' "$mnt/metrics" || fail "gateway a is not up"

# scraped out of the mount, from a folder with a link to it
mkdir "$work/textfiles"
ln -s "$mnt/metrics" "$work/textfiles/weir.prom"
spawn exporter prometheus-node-exporter --web.listen-address=127.0.0.1:0 \
    --collector.disable-defaults --collector.textfile --collector.textfile.directory="$work/textfiles"
# a port that it chose itself is nobody else's
port_of() { port=$(sed -n 's/.*[ "=]127\.0\.0\.1:\([1-9][0-9]*\).*/\1/p' "$work/exporter.log" | head -1); [ -n "$port" ]; }
wait_until 60 port_of
scrape() { curl -sf "http://127.0.0.1:$port/metrics" >"$work/scraped"; }
wait_until 60 scrape
grep -q '^node_textfile_scrape_error 0' "$work/scraped" || fail "a scrape error"
for line in 'weir_disk_bytes{export="vm1",gateway="a"} 7' 'weir_disk_bytes{export="vm2",gateway="b"} 7' \
    'weir_gateway_up{gateway="b"} 1'; do
    grep -qxF "$line" "$work/scraped" || fail "not scraped: $line"
done

# a dead gateway takes its figures with it, not those of the others
kill -9 "$fake_pid"
wait "$fake_pid" 2>/dev/null || true
scrape
grep -qx 'weir_gateway_up{gateway="b"} 0' "$work/scraped" || fail "gateway b is up?"
grep -qxF 'weir_disk_bytes{export="vm1",gateway="a"} 7' "$work/scraped" || fail "vm1 is gone"
promtool check metrics <"$mnt/metrics" >"$work/promtool.log" 2>&1 || fail "promtool refuses"
