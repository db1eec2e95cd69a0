/* commands.c - which commands and options are there?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The loop in main.c, the help, the completion and the test of the manual read these rows. */
#include "weirctl.h"

const struct option_row option_rows[OPTION_COUNT] = {
    [OPTION_RUN] = { "run", "DIR",
                     "Look for gateways under DIR (default: $WEIR_RUN, else /run/weir)." },
    [OPTION_GATEWAY] = { "gateway", "NAME", "Talk to this gateway only." },
    [OPTION_JSON] = { "json", NULL, "Print JSON documents, errors too." },
    [OPTION_TIMEOUT] = { "timeout", "SECONDS", "Wait at most this long for an answer." },
    [OPTION_HELP] = { "help", NULL, "Print help for weirctl or for one command." },
    [OPTION_FILTERS] = { "filters", "DIR[:DIR...]",
                         "Load filters from here (default: $WEIR_FILTERS, else " WEIR_FILTERDIR
                         ")." },
    [OPTION_FROM] = { "from", "FILE.so", "Describe the filter in this shared object." },
    [OPTION_POD] = { "pod", NULL, "Print the tables as POD, for a man page." },
    [OPTION_INTERVAL] = { "interval", "SECONDS", "Measure over this time instead of since start." },
    [OPTION_BATCH] = { "batch", "N", "Print N readings as lines instead of a live screen." },
    [OPTION_SORT] = { "sort", "COLUMN", "Sort by name, iops, read, write, p50, p99 or queue." },
    [OPTION_FOLLOW] = { "follow", NULL, "Go on and print what comes." },
    [OPTION_SINCE] = { "since", "N", "Only events with a number above N." },
    [OPTION_DEEP] = { "deep", NULL, "Encrypt the whole disk with a new volume key." },
    [OPTION_NO_WAIT] = { "no-wait", NULL, "Return at once; the work goes on in the gateway." },
};

enum {
    MEASURES = TAKES(OPTION_INTERVAL),
    LOADS = TAKES(OPTION_FILTERS),
};

/* clang-format off */
const struct command commands[] = {
    { "status", "", ctl_status, "[EXPORT]", MEASURES, "Show exports with their state, policy and throughput, and what is wrong." },
    { "top", "", ctl_top, "[EXPORT]", MEASURES | TAKES(OPTION_BATCH) | TAKES(OPTION_SORT), "Watch exports live." },
    { "check", "", ctl_check, "FILE...", LOADS, "Check configuration and policy files; needs no gateway." },
    { "events", "", ctl_events, "", TAKES(OPTION_FOLLOW) | TAKES(OPTION_SINCE), "Print what has happened." },
    { "metrics", "", ctl_metrics, "", 0, "Print all statistics in Prometheus text format." },
    { "export", "list", ctl_export_list, "", 0, "List the exports." },
    { "export", "show", ctl_export_show, "EXPORT", 0, "Show all about one export." },
    { "export", "stats", ctl_export_stats, "EXPORT", MEASURES, "Show its operations and those of each filter, with latencies." },
    { "export", "uri", ctl_export_uri, "EXPORT", 0, "Print the NBD URI that clients connect to." },
    { "export", "open", ctl_export_do, "EXPORT", 0, "Open its store and attach its filters; tries a locked one again." },
    { "export", "close", ctl_export_do, "EXPORT", 0, "Drain, flush and close it." },
    { "export", "lock", ctl_export_lock, "EXPORT REASON", 0, "Fail all of its requests, and show the reason." },
    { "export", "unlock", ctl_export_do, "EXPORT", 0, "Serve requests again." },
    { "export", "grow", ctl_export_grow, "EXPORT SIZE", 0, "Make the disk larger; SIZE is absolute (40G) or an increment (+10G)." },
    { "export", "snapshot", ctl_export_snapshot, "EXPORT NAME", 0, "Take a snapshot where the store can." },
    { "export", "stun", ctl_export_do, "EXPORT", 0, "Let the disk stand still: requests wait." },
    { "export", "unstun", ctl_export_do, "EXPORT", 0, "Let it go on." },
    { "export", "option", ctl_export_option, "EXPORT FILTER OPTION [VALUE]", 0, "Print an option of one filter, or set it while requests run." },
    { "export", "assign", ctl_export_assign, "EXPORT POLICY", 0, "Give the export another policy." },
    { "policy", "list", ctl_policy_list, "", 0, "List the policies." },
    { "policy", "show", ctl_policy_show, "POLICY", 0, "Print the text of a policy." },
    { "policy", "check", ctl_policy_check, "POLICY FILE", 0, "Would this text do as the policy? Asks the gateway; - is stdin." },
    { "policy", "edit", ctl_policy_edit, "POLICY", 0, "Edit a policy with $VISUAL or $EDITOR, check and apply it." },
    { "policy", "set", ctl_policy_set, "POLICY FILE", 0, "Check and apply a policy from a file; - is stdin." },
    { "policy", "remove", ctl_policy_remove, "POLICY", 0, "Remove a policy that no export names." },
    { "policy", "assign", ctl_policy_assign, "POLICY EXPORT...", 0, "Give exports this policy." },
    { "datastore", "list", ctl_datastore_list, "", 0, "List the datastores with their latency and its threshold." },
    { "datastore", "show", ctl_datastore_show, "DATASTORE", 0, "Show all about one datastore." },
    { "datastore", "set", ctl_datastore_set, "DATASTORE KEY VALUE", 0, "Set a key of a datastore, such as latency_threshold, while its disks are open." },
    { "control", "show", ctl_control_show, "[EXPORT]", 0, "Show the exports under I/O control: shares, reservation, limits, and what they got." },
    { "control", "set", ctl_control_set, "EXPORT OPTION VALUE", 0, "Set an option of I/O control, such as shares; it takes effect at once." },
    { "key", "status", ctl_key_status, "[EXPORT]", 0, "Show the encrypted exports, or the header and the key slots of one." },
    { "key", "format", ctl_key_format, "EXPORT", 0, "Make an empty disk an encrypted one; never one that holds anything." },
    { "key", "add", ctl_key_add, "EXPORT KEY", 0, "Add a key slot for what KEY gives, such as file:/etc/weir/new.key." },
    { "key", "remove", ctl_key_remove, "EXPORT SLOT", 0, "Remove a key slot." },
    { "key", "rekey", ctl_key_rekey, "EXPORT [KEY]", TAKES(OPTION_DEEP), "Go over to what KEY gives; with --deep to a new volume key." },
    { "key", "lock", ctl_key_lock, "EXPORT", 0, "Take the key away: requests fail until it is unlocked." },
    { "key", "unlock", ctl_key_unlock, "EXPORT", 0, "Ask for the key again, and serve the disk." },
    { "cache", "status", ctl_cache_status, "[EXPORT]", 0, "Show the exports with a cache: hits, what is dirty, and what it does." },
    { "cache", "flush", ctl_cache_flush, "EXPORT", TAKES(OPTION_NO_WAIT), "Write back what is dirty now." },
    { "cache", "drain", ctl_cache_drain, "EXPORT", TAKES(OPTION_NO_WAIT), "Write back what is dirty, and write through until \"cache fill\"." },
    { "cache", "detach", ctl_cache_detach, "EXPORT", TAKES(OPTION_NO_WAIT), "Drain, give the space in the pool back, and pass requests by until \"cache fill\"." },
    { "cache", "fill", ctl_cache_fill, "EXPORT", 0, "After drain or detach: do again what the policy says." },
    { "cache", "invalidate", ctl_cache_invalidate, "EXPORT", 0, "Forget the clean blocks." },
    { "cache", "discard", ctl_cache_discard, "EXPORT [YES]", 0, "Give up dirty blocks that cannot be written back; says what is lost, and with \"yes\" does it." },
    { "cache", "mrc", ctl_cache_mrc, "EXPORT", 0, "Draw the miss ratio that a cache of another size would have." },
    { "cache", "check", ctl_cache_check, "FILE", 0, "Read a pool that no gateway has open, and say what is in it and what is damaged." },
    { "filter", "list", ctl_filter_list, "", LOADS, "List the filters that can be loaded and those in use." },
    { "filter", "info", ctl_filter_info, "FILTER", LOADS, "Show version, class, file and exports of a filter." },
    { "filter", "exports", ctl_filter_exports, "FILTER", LOADS, "List the exports that use a filter." },
    { "filter", "describe", ctl_filter_describe, "[FILTER]", LOADS | TAKES(OPTION_FROM) | TAKES(OPTION_POD), "Print its options, statistics and verbs; needs no gateway." },
    { "gateway", "list", ctl_gateway_list, "", 0, "List the gateways, living and dead." },
    { "reload", "", ctl_reload, "", 0, "Read the configuration again and apply what changed." },
    { "version", "", ctl_version, "", 0, "Print the version of weirctl and of the running gateways." },
    { "help", "", ctl_help, "[COMMAND...]", 0, "Print help for weirctl or for one command." },
    { 0 }
};
/* clang-format on */
