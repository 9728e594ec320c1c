/** Paths in the folder of v86, which its npm package and a checkout that was built have in common. */
export const modulePath = "build/libv86.mjs";
export const wasmPath = "build/v86.wasm";
