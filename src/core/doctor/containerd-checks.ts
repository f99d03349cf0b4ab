// containerd itself: whether it runs and serves pulls, whether a restart is harmless, whether it reads what the agent
// writes.

import { isSupported, renderContainerdVersion } from "../containerd-config/versions.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import type { DoctorFacts } from "./facts.ts";

/** Whether it is there, runs, and answers over the CRI. */
export function checkRunning({ containerd }: DoctorFacts): Check[] {
  const { daemon, version, binary, socket } = containerd;
  if (version === null) {
    return [
      fail("containerd", "no containerd was found", "install containerd, or name it with agent.containerd.binary"),
    ];
  }
  const name = `containerd ${renderContainerdVersion(daemon?.version ?? version)}`;
  if (!isSupported(version)) return [fail("containerd", `${name} is too old`, "install containerd 1.6 or newer")];
  if (daemon === null) {
    return [
      fail("containerd", `${name} does not run at "${socket}"`, "systemctl start containerd; journalctl -u containerd"),
    ];
  }
  if (daemon.criProblem !== null) {
    const mend = "journalctl -u containerd | grep -i 'failed to load plugin'; containerd runs on without its CRI";
    return [fail("containerd", `${name} runs, but serves no pulls: ${daemon.criProblem}`, mend)];
  }
  const running = ok("containerd", `${name} serves pulls at "${socket}"`);
  const [there, runs] = [version, daemon.version ?? version].map(renderContainerdVersion);
  if (there === runs) return [running];
  const found = `"${binary}" is ${there}, but ${runs} runs`;
  return [running, warn("containerd", found, "restart containerd at a quiet time")];
}

/** Whether containers survive a restart. */
export function checkKillMode({ containerd }: DoctorFacts): Check[] {
  const unit = containerd.daemon?.unit ?? null;
  if (unit === null) return [];
  const { name, killMode } = unit;
  if (killMode === "process" || killMode === "")
    return [ok("kill-mode", `a restart of ${name} leaves containers alone`)];
  const mend = `systemctl edit ${name}: [Service] KillMode=process`;
  return [warn("kill-mode", `a restart of ${name} ends its containers (KillMode=${killMode})`, mend)];
}

/** What is wrong with config.toml and its imports. */
export function checkContainerdConfig({ containerd }: DoctorFacts): Check[] {
  const { config } = containerd;
  if (config === null) return [];
  if (config.problems.length === 0) return [ok("config-toml", `"${config.rootPath}" has no problems`)];
  return config.problems.map(({ severity, file, line, column, message }) => {
    const found = `"${file}" line ${line}, column ${column}: ${message}`;
    return severity === "error"
      ? fail("config-toml", found, `mend "${file}"`)
      : warn("config-toml", found, `mend "${file}"`);
  });
}

/** Whether containerd reads the routes; and whether a restart is owed, or has failed. */
export function checkInEffect({ takeover, containerd, agent }: DoctorFacts): Check[] {
  const failed = agent.restartFailed;
  const tried =
    failed === null
      ? []
      : [
          fail(
            "restart",
            `a change of containerd's configuration was taken back: ${failed}`,
            "mend what it says, then mirror-agent apply",
          ),
        ];
  const owed = agent.restartOwed
    ? [fail("restart", "containerd has to be restarted, and was not yet", "systemctl restart containerd")]
    : [];
  return [...checkConfigPath({ takeover, containerd }), ...tried, ...owed];
}

function checkConfigPath({ takeover, containerd }: Pick<DoctorFacts, "takeover" | "containerd">): Check[] {
  if (containerd.config === null) return [];
  const { configPath } = containerd.config;
  if (takeover === null) {
    if (configPath !== "") return [ok("config-path", `config_path is "${configPath}"`)];
    return [warn("config-path", "config_path is not set: containerd reads no hosts.toml", "mirror-agent apply")];
  }
  switch (takeover.kind) {
    case "settled":
      return [ok("config-path", `config_path is "${configPath}": ${takeover.because}`)];
    case "refused":
      return [fail("config-path", takeover.because, takeover.mend)];
    case "change": {
      const mend = takeover.restart === "owed" ? "systemctl restart containerd" : "mirror-agent apply";
      return [fail("config-path", `containerd does not read the routes: ${takeover.because}`, mend)];
    }
  }
  takeover satisfies never;
  return [];
}
