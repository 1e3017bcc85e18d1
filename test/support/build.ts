// Whether the built program is what the sources say. See test/build.ts.

export const buildFailureVariable = 'BELLHOP_TEST_BUILD_FAILURE';

/** Fails with the compiler's words when there is no current build. */
export function needBuild(): void {
  const failure = process.env[buildFailureVariable];
  if (failure) throw new Error(`The build failed:\n${failure}`);
}
