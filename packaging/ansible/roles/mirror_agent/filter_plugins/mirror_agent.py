"""What `mirror-agent --output json status` means for a roll: whether to go on waiting, and what is wrong."""

import json


def mirror_agent_verdict(text, applied_before=None, planned=None):
    """Judges the status of one node.

    `applied_before` is config.appliedAt from before a change, None without one: the agent needs a moment to see it.
    `planned` is what the plan says of containerd: no waiting mends what it refused, or leaves to somebody.
    Returns `waits_for` (None once it is settled) and three lists of sentences: `failures`, and what a variable of
    the role says is one or not: `owed` (a restart of containerd) and `down` (endpoints and credentials).
    """
    if not text:
        return verdict("mirror-agent to run: it has left no status")
    status = json.loads(text)
    config, containerd, endpoints = status["config"], status["containerd"], status["endpoints"]
    if config["state"] == "rejected":
        return verdict(failures=["The config is rejected: " + "; ".join(describe_issue(each) for each in config["issues"])])
    if config["state"] == "pending" or (applied_before is not None and config["appliedAt"] == applied_before):
        return verdict("the config to be applied")
    unknown = [each["endpoint"] for each in endpoints if each["state"] == "unknown"]
    if unknown:
        return verdict("the first probes of %s" % ", ".join(unknown))
    if containerd["inEffect"]:
        return verdict(down=describe_down(status))
    problem = "containerd does not read the routes: %s" % containerd["problem"]
    if planned and planned["kind"] == "refused":
        return verdict(failures=[problem])
    if planned and planned["restart"] == "owed":
        return verdict(owed=["%s; restart it when it suits you" % problem], down=describe_down(status))
    return verdict("containerd to read the routes: %s" % containerd["problem"])


def verdict(waits_for=None, failures=(), owed=(), down=()):
    return {"waits_for": waits_for, "failures": list(failures), "owed": list(owed), "down": list(down)}


def describe_issue(issue):
    return "line %s, column %s: %s" % (issue["line"], issue["column"], issue["message"])


def describe_down(status):
    down = [
        "%s %s is down since %s: %s (%s)" % (each["role"].capitalize(), each["endpoint"], each["since"], each["reason"], each["detail"])
        for each in status["endpoints"]
        if each["state"] == "down"
    ]
    named = [(each["endpoint"], each["credential"]) for each in status["endpoints"]]
    named += [(each["upstream"], each["upstreamCredential"]) for each in status["routes"]]
    problems = ["The credential of %s does not work: %s" % (at, it["problem"]) for at, it in named if it and it["problem"]]
    return down + list(dict.fromkeys(problems))


class FilterModule:
    """Makes it known to Ansible."""

    def filters(self):
        return {"mirror_agent_verdict": mirror_agent_verdict}
