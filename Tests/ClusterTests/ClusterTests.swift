import Testing

/// Real processes, one cluster at a time: two clusters on a small machine would only test its scheduler.
@Suite(.serialized) enum ClusterTests {}
