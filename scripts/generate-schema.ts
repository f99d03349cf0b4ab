// Writes docs/mirror-agent.schema.json from the schema that validates the config: node scripts/generate-schema.ts

import { writeFileSync } from "node:fs";
import { renderJsonSchema } from "../src/core/config/json-schema.ts";

writeFileSync(new URL("../docs/mirror-agent.schema.json", import.meta.url), renderJsonSchema());
