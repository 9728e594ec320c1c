import type { Options } from "tsup";
import { packageConfig } from "../../tsup.base.ts";

const config: Options = packageConfig();
export default config;
