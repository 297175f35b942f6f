"""Speech to text and text to speech: ElevenLabs, or programs on this machine."""
