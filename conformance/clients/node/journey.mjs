// What the scripts share: what they are given, and steps that are told as lines of JSON.

export const given = JSON.parse(process.env.JOURNEY);

/** Makes a step; a failed one ends the script, for those behind it stand on it. */
export async function step(name, work) {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  try {
    await work();
  } catch (error) {
    const reason = [error.stack, error.responseText, error.response].filter(Boolean).join("\n");
    console.log(JSON.stringify({ step: name, seconds: seconds(), reason }));
    process.exit(1);
  }
  console.log(JSON.stringify({ step: name, seconds: seconds() }));
}

/** The error that `work` must end with. */
export async function failure(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("this should have failed");
}
