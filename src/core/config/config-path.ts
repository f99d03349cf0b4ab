// How a place in the mirror config is spelled: `registryMirrors[0].endpoint`,
// `agent.upstreams["gcr.io"].caCertPath`. Registries have dots, so keys that are no plain words are quoted.

export type ConfigPath = readonly (string | number)[];

/** Spells a path; "" is the whole file. */
export function renderConfigPath(path: ConfigPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** Reads what renderConfigPath() spells; anything else in the text is passed over. */
export function parseConfigPath(text: string): ConfigPath {
  const steps = text.matchAll(/\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]|([A-Za-z_][A-Za-z0-9_-]*)/g);
  return [...steps].map(([, index, quoted, word]) => {
    if (index !== undefined) return Number(index);
    return quoted === undefined ? (word ?? "") : String(JSON.parse(quoted));
  });
}
